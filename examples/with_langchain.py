"""LangChain: a chain, a stream, a typed answer, an agent with a tool, and async calls.

pip install promptlayer-patch langchain langchain-openai
"""

from __future__ import annotations

import asyncio

from langchain.agents import create_agent
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI

import promptlayer_patch
from desk import INVOICE, MODEL, WEATHER, Reply, get_weather, provider, show


def main() -> None:
    promptlayer_patch.install(tags=["langchain"])
    model = ChatOpenAI(model=MODEL)

    prompt = ChatPromptTemplate.from_messages([("system", "You are a support desk."), ("user", "{question}")])
    chain = prompt | model | StrOutputParser()
    with promptlayer_patch.scope(tags=["chain"]) as calls:
        answer = chain.invoke({"question": INVOICE})
    show(["chain"], answer, calls)

    with promptlayer_patch.scope(tags=["stream"]) as calls:
        answer = "|".join(chunk.text for chunk in model.stream(INVOICE))
    show(["stream"], answer, calls)

    with promptlayer_patch.scope(tags=["typed"]) as calls:
        reply = model.with_structured_output(Reply).invoke(INVOICE)
    show(["typed"], reply, calls)

    agent = create_agent(model, tools=[get_weather])
    with promptlayer_patch.scope(tags=["agent"]) as calls:
        messages = agent.invoke({"messages": [{"role": "user", "content": WEATHER}]})["messages"]
    show(["agent"], messages[-1].text, calls)

    with promptlayer_patch.scope(tags=["async"]) as calls:
        answers = asyncio.run(model.abatch([INVOICE, "How long does a refund take?"]))
    show(["async"], [answer.text for answer in answers], calls)


if __name__ == "__main__":
    with provider():
        main()
