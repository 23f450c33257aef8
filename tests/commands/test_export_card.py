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
