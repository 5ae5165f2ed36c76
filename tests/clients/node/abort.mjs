// Aborts a download after its first piece, says so, and stays until its input ends: it is the abort that closes, not its end.
const [base] = process.argv.slice(2);
const abort = new AbortController();
const answer = await fetch(base + "/drops", { signal: abort.signal });
const reader = answer.body.getReader();
await reader.read();
abort.abort();
const why = await reader.read().catch((error) => error.name);
console.log(JSON.stringify({ status: answer.status, why }));
process.stdin.resume();
