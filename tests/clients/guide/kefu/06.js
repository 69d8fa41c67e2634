const ws = new WebSocket('ws://your-domain/ws');

ws.onopen = () => {
  console.log('WebSocket连接成功');
  // 游客无需登录认证，可以直接发送消息
};
