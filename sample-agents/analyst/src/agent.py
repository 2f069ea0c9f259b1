from insula_sdk import Request, agent, log, storage


@agent
def greet(request: Request) -> str:
    name = request.text().strip()
    times = storage.increment("greetings", name)
    log.info(f"greeting {name}, time {times}")
    if name == "boom":
        return name.y
    return f"Hello {name}, for the {times}. time."
