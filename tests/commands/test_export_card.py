"""`vaecli export --card`, as far as it can be refused before the work begins."""


def test_a_licence_without_a_card_is_refused(trained, tmp_path, cli):
    found = cli("export", "-r", trained, "-o", tmp_path / "out", "--license", "mit")
    assert found.status == 2
    assert found.err == "Error: --license mit is for the model card: add --card.\n"
    assert not (tmp_path / "out").exists()


def test_a_licence_that_is_none_is_refused(trained, tmp_path, cli):
    found = cli("export", "-r", trained, "-o", tmp_path / "out", "--card", "--license", "My own")
    assert found.status == 2
    assert found.err == (
        "Error: --license 'My own': use the identifier of a licence, such as mit or cc-by-4.0.\n"
    )
    assert not (tmp_path / "out").exists()


def test_a_text_of_the_user_is_not_replaced_by_a_card(trained, tmp_path, cli):
    text = tmp_path / "README.md"
    text.write_text("My project")
    found = cli("export", "-r", trained, "-o", tmp_path, "--card")
    assert found.status == 2
    reason = "is no model card of vaecli and would be replaced: choose another folder."
    assert found.err == f"Error: {text} {reason}\n"
    assert text.read_text() == "My project"
    assert list(tmp_path.iterdir()) == [text]


def test_standard_output_is_no_folder(trained, tmp_path, cli, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = cli("export", "-r", trained, "-o", "-")
    assert found.status == 2
    assert found.err == "Error: An export is several files: name a folder for them, not '-'.\n"
    assert not list(tmp_path.iterdir())
