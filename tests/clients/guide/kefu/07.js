ws.onmessage = (event) => {
  const message = JSON.parse(event.data);
  
  // 处理游客消息推送
  if (message.type === 'push_message' && message.action === 'kefu_visitor_message') {
    console.log('收到客服回复:', message);
    // visitor_id 表示这是发给哪个游客的消息
    // sender_type: 2 表示客服发送
    // 更新消息列表
    // 显示新消息
  }
  
  // 处理会话结束推送
  if (message.type === 'push_message' && message.action === 'kefu_visitor_conversation_end') {
    console.log('会话已结束:', message);
    // visitor_id: 游客标识
    // kefu_id: 客服ID
    // sender_type: 操作者类型
    // 更新会话状态
    // 禁用发送消息功能
  }
};
