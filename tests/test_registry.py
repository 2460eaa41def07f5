import re
import sys
from importlib.metadata import EntryPoint

import pytest

from latentrank.errors import InputError
from latentrank.registry import Registry


@pytest.fixture
def numbers():
    return Registry[int]("number", "latentrank.tests", {"one": 1})


def provide(registry, name, value):
    registry.__dict__["_entry_points"] = {name: EntryPoint(name, value, registry.group)}


def test_an_entry_point_is_listed_without_being_imported(numbers):
    sys.modules.pop("colorsys", None)
    provide(numbers, "hue", "colorsys:ONE_SIXTH")
    assert numbers.names() == ["one", "hue"]
    assert "colorsys" not in sys.modules
    assert numbers.get("hue") == pytest.approx(1 / 6)


def test_an_entry_point_that_cannot_be_imported_names_its_package(numbers):
    provide(numbers, "two", "no_such_package:TWO")
    with pytest.raises(InputError, match=r"'two' is provided by no_such_package:TWO"):
        numbers.get("two")


def test_an_error_in_the_code_of_a_package_is_reported_with_its_place(
    numbers, tmp_path, monkeypatch
):
    (tmp_path / "broken_package.py").write_text("ONE = 1\nTWO = ONE / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    provide(numbers, "two", "broken_package:TWO")
    place = re.escape(f"division by zero, in {tmp_path / 'broken_package.py'}, line 2)")
    with pytest.raises(InputError, match=place):
        numbers.get("two")


def test_a_name_is_given_once(numbers):
    with pytest.raises(InputError, match="already"):
        numbers.register("one", 11)


def test_only_what_comes_with_the_library_or_a_package_is_known_to_other_processes(numbers):
    numbers.register("two", 2)
    provide(numbers, "hue", "colorsys:ONE_SIXTH")
    assert [numbers.built_in(name) for name in ("one", "two", "hue")] == [True, False, True]


class Called:
    def __init__(self, name):
        self.name = name


def test_a_value_is_registered_under_its_own_name():
    called = Registry[Called]("thing", "latentrank.tests")
    assert called.register("one", Called("one")).name == "one"
    with pytest.raises(InputError, match=r"The thing 'two' is called 'one'; give both the same"):
        called.register("two", Called("one"))
    assert "two" not in called


def test_an_entry_point_has_the_name_of_what_it_provides():
    called = Registry[type]("thing", "latentrank.tests")
    provide(called, "pi", "tests.test_registry:NAMED")
    with pytest.raises(InputError, match=r"'pi', provided by .*NAMED, is called 'tau'; give both"):
        called.get("pi")


NAMED = Called("tau")


def test_a_package_that_cannot_be_imported_leaves_the_others_working(numbers):
    provide(numbers, "two", "no_such_package:TWO")
    with pytest.warns(UserWarning, match=r"'two' is provided by no_such_package:TWO.* uninstall"):
        assert numbers.working() == {"one": 1}
