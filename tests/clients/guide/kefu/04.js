   ws.onopen = () => {
     ws.send(JSON.stringify({
       action: 'login',
       data: {
         token: 'your_user_token'
       }
     }));
   };
