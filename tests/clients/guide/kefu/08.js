GET /api/kefu/message/getConversation
Headers: {
  'Authorization': 'Bearer your_user_token'
}
