   const ws = new WebSocket('ws://your-domain/ws');
