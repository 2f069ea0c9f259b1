import { agent } from "insula-sdk";

export default agent((request) => request.body);
