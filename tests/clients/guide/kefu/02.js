const conversationId = 1;
const page = 1;
const pageSize = 20;

const response = await fetch(
  `/api/kefu/message/list?conversation_id=${conversationId}&page=${page}&page_size=${pageSize}`,
  {
    headers: {
      'Authorization': 'Bearer your_user_token'
    }
  }
);
const result = await response.json();
