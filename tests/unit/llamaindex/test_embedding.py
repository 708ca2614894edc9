"""The shipped embedder as a LlamaIndex embedding: an index with no key and no network."""

import copy

import numpy as np
import pytest
from llama_index.core import Document, StorageContext, VectorStoreIndex, load_index_from_storage

from llamaindex_router import PointsmanEmbedding
from pointsman.errors import ArtifactNotFoundError

TEXTS = [
    "The harbour office opens at seven and closes when the last ferry has left.",
    "Bread dough rests overnight in a cool place before it is baked.",
    "The telescope needs two hours to cool down before it can be used.",
]


def test_vectors_are_of_one_length_and_near_where_texts_are():
    embedding = PointsmanEmbedding()
    question = np.array(embedding.get_query_embedding("When does the ferry office close?"))
    vectors = np.array(embedding.get_text_embedding_batch(TEXTS))
    assert vectors.shape == (3, len(question))
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert (vectors @ question).argmax() == 0


async def test_async_is_the_same():
    embedding = copy.deepcopy(PointsmanEmbedding())
    assert await embedding.aget_query_embedding(TEXTS[0]) == embedding.get_text_embedding(TEXTS[0])


def test_an_index_is_built_stored_and_loaded(tmp_path):
    embedding = PointsmanEmbedding()
    index = VectorStoreIndex.from_documents([Document(text=text) for text in TEXTS], embed_model=embedding)
    index.storage_context.persist(str(tmp_path))
    loaded = load_index_from_storage(StorageContext.from_defaults(persist_dir=str(tmp_path)), embed_model=embedding)
    for shelf in (index, loaded):
        (best,) = shelf.as_retriever(similarity_top_k=1).retrieve("How long must dough rest?")
        assert best.text == TEXTS[1]


def test_an_embedder_that_does_not_ship():
    with pytest.raises(ArtifactNotFoundError, match="no embedder named 'nothing'"):
        PointsmanEmbedding(model_name="nothing").get_text_embedding("x")
