const response = await fetch('/api/kefu/message/getConversation', {
  headers: {
    'Authorization': 'Bearer your_user_token'
  }
});
const result = await response.json();
