import { agent, log, storage } from "insula-sdk";

export default agent((request) => {
  const name = request.text().trim();
  const times = storage.increment("greetings", name);
  log.info(`greeting ${name}, time ${times}`);
  if (name === "boom") return helper(name);
  return `Hello ${name}, for the ${times}. time. ${Math.random()}`;
});

function helper(x) {
  console.log("in helper", { x });
  return x.y.z;
}
