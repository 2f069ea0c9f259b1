from insula_sdk import Request, agent


@agent
def echo(request: Request) -> bytes:
    return request.body
