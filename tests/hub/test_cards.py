import yaml

from colbert_kit import hub


def test_card_comes_back_as_it_was_given():
    metadata = {
        "license": "mit",
        "language": ["no", "en"],
        "tags": ["plaid"],
        "configs": [{"config_name": "documents"}],
    }

    text = hub.make_card(metadata, "\n# Títle: a \u201cname\u201d\n\ntext\n")

    assert hub.read_card(text) == (metadata, "# Títle: a \u201cname\u201d\n\ntext")


def test_what_yaml_1_1_takes_for_a_truth_is_quoted_for_yaml_1_2():
    assert "language:\n- 'no'\n" in hub.make_card({"language": ["no"]}, "")


def test_long_names_stay_on_their_line():
    name = "a " * 200
    assert yaml.safe_load(hub.make_card({"pretty_name": name}, "").split("---")[1]) == {"pretty_name": name}
    assert len(hub.make_card({"pretty_name": name}, "").splitlines()) == 5


def test_text_without_metadata_is_all_body():
    for text in ("# Title", "---\n[\n---\n# Title", "---\n- a\n---\n# Title"):
        assert hub.read_card(text) == ({}, "# Title")
    assert hub.read_card("---\nlicense: mit") == ({}, "---\nlicense: mit")


def test_text_of_others_cannot_leave_its_place():
    assert hub.as_code("a`\n# b | <script>") == "`a' # b / <script>`"
