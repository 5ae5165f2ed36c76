// Streams a body up, without its length, and prints the answer.
const [base] = process.argv.slice(2);
let sent = 0;
const body = new ReadableStream({
  pull(controller) {
    if (sent === 50) return controller.close();
    controller.enqueue(new Uint8Array(20_000).fill(sent++));
  },
});
const answer = await fetch(base + "/sums", { method: "POST", body, duplex: "half" });
console.log(JSON.stringify({ status: answer.status, ...(await answer.json()) }));
