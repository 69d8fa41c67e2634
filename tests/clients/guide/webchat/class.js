class CustomerWebSocket {
  constructor(token) {
    this.token = token;
    this.ws = null;
  }

  connect() {
    this.ws = new WebSocket(`ws://127.0.0.1:8080/ws/chat?token=${this.token}`);

    this.ws.onopen = () => {
      console.log('✅ 已��到客�');
      this.onConnected();
    };

    this.ws.onmessage = (event) => {
      const message = JSON.parse(event.data);
      this.onMessage(message);
    };

    this.ws.onerror = (error) => {
      console.error('� ��错误:', error);
      this.onError(error);
    };

    this.ws.onclose = () => {
      console.log('ğ��� ��已关�');
      this.onDisconnected();
    };
  }

  sendMessage(content) {
    if (this.ws && this.ws.readyState === WebSocket.OPEN) {
      this.ws.send(JSON.stringify({
        senderId: 'current-user-id',
        content: content,
        metadata: {}
      }));
    }
  }

  disconnect() {
    if (this.ws) {
      this.ws.close();
    }
  }

  // 钩�函数（由外部��）
  onConnected() {}
  onMessage(message) {}
  onError(error) {}
  onDisconnected() {}
}

// 使用示例
const client = new CustomerWebSocket('cust_xxxx');
client.onMessage = (message) => {
  console.log('客���:', message.content);
};
client.connect();
