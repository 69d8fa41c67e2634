function connectWithRetry(token, maxRetries = 5) {
  let retries = 0;

  function connect() {
    const ws = new WebSocket(`ws://127.0.0.1:8080/ws/chat?token=${token}`);

    ws.onclose = () => {
      if (retries < maxRetries) {
        retries++;
        console.log(`���... (${retries}/${maxRetries})`);
        setTimeout(connect, 3000);
      }
    };

    return ws;
  }

  return connect();
}
