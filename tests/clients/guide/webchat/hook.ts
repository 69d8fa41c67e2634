import { useEffect, useRef, useState } from 'react';

export function useCustomerWebSocket(token: string) {
  const ws = useRef<WebSocket | null>(null);
  const [isConnected, setIsConnected] = useState(false);
  const [messages, setMessages] = useState<any[]>([]);

  useEffect(() => {
    if (!token) return;

    const socket = new WebSocket(`ws://127.0.0.1:8080/ws/chat?token=${token}`);

    socket.onopen = () => {
      console.log('已��到客�');
      setIsConnected(true);
    };

    socket.onmessage = (event) => {
      const message = JSON.parse(event.data);
      setMessages((prev) => [...prev, message]);
    };

    socket.onclose = () => {
      console.log('��已关�');
      setIsConnected(false);
    };

    ws.current = socket;

    return () => {
      socket.close();
    };
  }, [token]);

  const sendMessage = (content: string) => {
    if (ws.current && ws.current.readyState === WebSocket.OPEN) {
      ws.current.send(JSON.stringify({
        senderId: 'user-id',
        content,
        metadata: {}
      }));
    }
  };

  return { isConnected, messages, sendMessage };
}
