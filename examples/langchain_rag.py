"""A RAG chain whose model is a router: the question is scored, and not the chapters that are stuffed around it.

python examples/langchain_rag.py                                   # stand-ins: no key, no network
python examples/langchain_rag.py openai:gpt-4o ollama:llama3.1     # real models
"""

from __future__ import annotations

from langchain_common import handbook_store, print_bill, two_models
from langchain_core.documents import Document
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnablePassthrough

from langchain_router import RoutedChatModel, RoutingRecorder, with_question
from pointsman.cli.demo.texts import load_texts

prompt = ChatPromptTemplate.from_messages(
    [
        ("system", "Answer from the staff handbook of the Calder & Wend Railway alone."),
        ("human", "Handbook:\n{handbook}\n\nQuestion: {question}"),
    ]
)


def joined(chapters: list[Document]) -> str:
    return "\n\n".join(chapter.page_content for chapter in chapters)


strong, weak = two_models()
retriever = handbook_store().as_retriever(search_kwargs={"k": 2})
chain = (
    {"handbook": retriever | joined, "question": RunnablePassthrough()}
    | with_question(prompt, "question")
    | RoutedChatModel(strong=strong, weak=weak, strong_share=0.5)
    | StrOutputParser()
)

questions = load_texts().questions
with RoutingRecorder() as recorder:
    for asked in (questions[0], questions[3], questions[6]):
        print(f"user: {asked.prompt}\nassistant: {chain.invoke(asked.prompt)}\n")
print_bill(recorder)
