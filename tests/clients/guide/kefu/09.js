GET /api/kefu/message/list?conversation_id=1&page=1&page_size=20
Headers: {
  'Authorization': 'Bearer your_user_token'
}
