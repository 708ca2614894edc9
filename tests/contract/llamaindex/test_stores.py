"""Real indexes on disk, built and reloaded with the shipped embedder, and asked through a routed query engine."""

import pytest
from llama_index.core import Document, StorageContext, VectorStoreIndex, load_index_from_storage
from llama_index.core.node_parser import SentenceSplitter

from llamaindex_router import PointsmanEmbedding, routing_decision, routing_totals
from pointsman.cli.demo.texts import load_texts
from tests.support.llamaindex import scripted_pair

pytestmark = pytest.mark.usefixtures("thread_loop")

HANDBOOK = load_texts().handbook


def chunks():
    documents = [Document(text=chapter.text, metadata={"title": chapter.title}) for chapter in HANDBOOK]
    return SentenceSplitter(chunk_size=128, chunk_overlap=16).get_nodes_from_documents(documents)


def in_files(folder):
    """LlamaIndex's own store, as JSON files."""
    index = VectorStoreIndex(chunks(), embed_model=PointsmanEmbedding())
    index.storage_context.persist(str(folder))
    return load_index_from_storage(
        StorageContext.from_defaults(persist_dir=str(folder)), embed_model=PointsmanEmbedding()
    )


def in_chroma(folder):
    """Chroma, a database in a folder."""
    stores = pytest.importorskip("llama_index.vector_stores.chroma", reason="needs llama-index-vector-stores-chroma")
    import chromadb
    from chromadb.api.shared_system_client import SharedSystemClient

    def collection():
        client = chromadb.PersistentClient(str(folder), settings=chromadb.Settings(anonymized_telemetry=False))
        return client.get_or_create_collection("handbook", embedding_function=None)

    context = StorageContext.from_defaults(vector_store=stores.ChromaVectorStore(chroma_collection=collection()))
    VectorStoreIndex(chunks(), storage_context=context, embed_model=PointsmanEmbedding())
    SharedSystemClient.clear_system_cache()  # or the second client would be the first again
    reopened = stores.ChromaVectorStore(chroma_collection=collection())
    return VectorStoreIndex.from_vector_store(reopened, embed_model=PointsmanEmbedding())


@pytest.mark.parametrize("shelve", [in_files, in_chroma])
def test_a_reloaded_index_finds_the_chapter_and_the_router_scores_the_question(shelve, tmp_path):
    index = shelve(tmp_path)
    pair = scripted_pair()
    engine = index.as_query_engine(llm=pair.llm, similarity_top_k=3)
    for chapter in HANDBOOK:
        question = f"hard: what does the handbook say under the heading {chapter.title}?"
        response = engine.query(question)
        assert chapter.title in {node.metadata["title"] for node in response.source_nodes}
        assert pair.scored[-1] == question
        assert routing_decision(response).candidate == "strong"
    assert routing_totals(engine.query("easy")).by_candidate == {"weak": 1}
    assert len(pair.strong.heard) == len(HANDBOOK)
    assert all(len(prompt) > 2 * len(question) for prompt in pair.strong.heard), "the prompt holds the chunks"
