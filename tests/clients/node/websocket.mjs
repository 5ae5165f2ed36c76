// Sends a text and bytes, and prints what comes back and how it was closed.
const [base] = process.argv.slice(2);
const socket = new WebSocket(base.replace("http", "ws") + "/echo");
socket.binaryType = "arraybuffer";
const came = [];
socket.onopen = () => socket.send("grüß dich");
socket.onerror = () => { console.log(JSON.stringify({ failed: true })); process.exit(1); };
socket.onmessage = ({ data }) => {
  came.push(typeof data === "string" ? data : data.byteLength);
  if (came.length === 1) socket.send(new Uint8Array(200_000));
  else socket.close(1000, "enough");
};
socket.onclose = ({ code, wasClean }) => { console.log(JSON.stringify({ came, code, wasClean })); process.exit(0); };
