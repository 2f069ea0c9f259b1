export default { async fetch(request) { return new Response(await request.text(), { headers: { "content-type": request.headers.get("content-type") ?? "" } }); } };
