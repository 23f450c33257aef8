"""No text of a user means anything in Markdown: a parser of others shows it as it was."""

from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from vaecli.export.card.markdown import code, escape, fence, prose, table
from vaecli.system.text import shorten

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
MARKS = st.text(st.sampled_from(" \\`*_{}[]<>()#+-.!|~$&:;@^=/\"'a1\n\t&lt"), max_size=30)
ANY = st.one_of(st.text(max_size=100), MARKS)
LONG = "x" * 200


def shown(markdown: str) -> tuple[list[str], str]:
    """The kinds of blocks, and the text that a reader sees, of one paragraph or table."""
    blocks = PARSER.parse(markdown)
    inline = [child for block in blocks for child in block.children or []]
    assert {child.type for child in inline} <= {"text", "code_inline"}
    return [block.type for block in blocks], "".join(child.content for child in inline)


@given(ANY)
@example("</td><script>alert(1)")
@example("![x](http://a.b/c.png)")
@example("&lt;b&gt; &#35; \\")
@example("| a | b |\n|---|---|")
@example(LONG)
def test_a_name_is_shown_as_it_is_in_a_sentence(name):
    kinds, text = shown(f"Images of {escape(name)}, and more.")
    assert kinds == ["paragraph_open", "inline", "paragraph_close"]
    assert text == f"Images of {shorten(name, 80)}, and more."


@given(ANY)
@example("a|b")
@example("`|`")
@example("``")
@example("`")
def test_a_name_is_shown_as_it_is_in_a_cell(name):
    kinds, text = shown(table(["a", "b"], [[escape(name), code(name)]]))
    assert kinds.count("td_open") == 2
    assert kinds.count("tr_open") == 2
    assert text == "ab" + shorten(name, 80) + (
        name if f"`{name}`" == code(name) else shorten(name, 80)
    )


def test_plain_text_is_a_code_span_and_other_text_is_none():
    assert code("elbo:beta=4") == "`elbo:beta=4`"
    assert code("my photos") == "`my photos`"
    assert code("a`b") == "a\\`b"
    assert code("a|b") == "a\\|b"
    assert code("a\nb") == "a b"
    assert code("../x ") == "\\.\\./x"
    assert code(LONG) == "x" * 79 + "…"


def test_sentences_keep_their_code_and_their_links():
    text = "`N(0, I)` and p(x|z) of A & B, https://arxiv.org/abs/1312.6114, for free_bits"
    assert prose(text) == (
        "`N(0, I)` and p(x\\|z) of A \\& B, <https://arxiv.org/abs/1312.6114>, for free\\_bits"
    )
    found = PARSER.parseInline(prose(text))[0].children
    assert [t.content for t in found if t.type == "code_inline"] == ["N(0, I)"]
    assert [t.attrs["href"] for t in found if t.type == "link_open"] == [
        "https://arxiv.org/abs/1312.6114"
    ]


def test_a_block_of_code_is_shown_as_it_is():
    (block,) = PARSER.parse(fence("python", ["a = 1", "", "b = [`2`]"]))
    assert (block.type, block.info, block.content) == ("fence", "python", "a = 1\n\nb = [`2`]\n")
