const axios = require('axios');
const WebSocket = require('ws');

class WhatsAppCustomerService {
  constructor(phone) {
    this.phone = phone;
    this.token = null;
    this.ws = null;
  }

  async init() {
    // ��客户 Token
    const response = await axios.post('http://127.0.0.1:8080/api/v1/public/customer-token', {
      name: 'WhatsApp User',
      channel: 'WHATSAPP',
      channelId: this.phone
    });

    this.token = response.data.data.token;
    this.connectWebSocket();
  }

  connectWebSocket() {
    this.ws = new WebSocket(`ws://127.0.0.1:8080/ws/chat?token=${this.token}`);

    this.ws.on('open', () => {
      console.log('Connected to customer service');
    });

    this.ws.on('message', (data) => {
      const message = JSON.parse(data);
      console.log('Agent replied:', message.content);
      // ��� WhatsApp 用户
      this.sendWhatsAppMessage(this.phone, message.content);
    });
  }

  sendMessage(content) {
    if (this.ws && this.ws.readyState === WebSocket.OPEN) {
      this.ws.send(JSON.stringify({
        senderId: this.phone,
        content: content
      }));
    }
  }

  sendWhatsAppMessage(phone, content) {
    // 调用 WhatsApp Business API ��消�
    // ��略
  }
}

// 使用示例
const customer = new WhatsAppCustomerService('+8613800138000');
customer.init();
