ws.onmessage = (event) => {
  const message = JSON.parse(event.data);
  
  // 处理客服消息推送
  if (message.type === 'push_message' && message.action === 'kefu_message') {
    console.log('收到消息:', message);
    // from_uid 表示发送者
    // to_uid 表示接收者（当前用户）
    // 更新消息列表
    // 更新未读消息数
    // 播放提示音等
  }
  
  // 处理会话结束推送
  if (message.type === 'push_message' && message.action === 'kefu_message_end') {
    console.log('会话已结束:', message);
    // from_uid 表示操作者
    // to_uid 数组包含所有接收者
    // 更新会话状态
    // 禁用发送消息功能
  }
};
