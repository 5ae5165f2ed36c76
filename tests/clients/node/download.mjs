// Reads a large body piece by piece, and says how long it was and what stood at its end; then asks once more.
const [base] = process.argv.slice(2);
const answer = await fetch(base + "/bytes/1000000");
let bytes = 0, last = 0;
for await (const piece of answer.body) {
  bytes += piece.length;
  last = piece.at(-1);
}
const hello = await (await fetch(base + "/hello")).json();
const moved = await fetch(base + "/moved", { redirect: "manual" });
console.log(JSON.stringify({ bytes, last, hello: hello.hello, moved: [moved.status, moved.headers.get("location")] }));
