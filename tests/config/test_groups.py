"""Names of groups, their settings, and what is refused before any work."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastlstm.config.group_names import (
    group_name,
    group_values,
    is_group_name,
    parse_group,
)
from fastlstm.config.reading import parse_config
from fastlstm.errors import ConfigError

# A folder's name has 255 bytes, and an escaped character up to 12.
_texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)
_values = st.dictionaries(_texts, _texts, min_size=1, max_size=1)


@given(_values, _values)
def test_names_are_lossless_unique_and_one_folder(first, second):
    one, other = group_name(first), group_name(second)
    assert group_values(one) == first
    assert (one == other) == (first == second)
    assert is_group_name(one) and not one.startswith(".")
    assert not set(one) & set("/\\\0\n%") - {"%"}


def test_names_of_several_columns_and_those_that_people_write():
    name = group_name({"region": "a=b,c", "shop": "12"})
    assert name == "region=a%3Db%2Cc,shop=12"
    assert group_values(name) == {"region": "a=b,c", "shop": "12"}
    assert parse_group("north", ["region"]) == parse_group("region=north", ["region"])
    assert parse_group(name, ["region", "shop"]) == name
    assert parse_group("pooled", ["region"]) == "pooled"
    for wrong, columns in (("north", ["region", "shop"]), ("shop=1", ["region"])):
        with pytest.raises(ValueError, match="names no group; give region="):
            parse_group(wrong, columns)
    with pytest.raises(ValueError, match=r"of 258 bytes, more than 200; give the groups a column"):
        group_name({"note": "x" * 253})
    # A run's id, a claim and a left-over are no groups.
    assert not any(map(is_group_name, ("2026-11-24 03-00-00", ".a=b", "sales")))


def table(tmp_path, text):
    file = tmp_path / "overrides.csv"
    file.write_text(text)
    return {"models_by": ["region"], "groups": {"overrides": str(file)}}


def test_a_table_gives_single_groups_their_settings(settings, tmp_path):
    read = parse_config(settings(**table(tmp_path, (
        "region,hyperparameters.epochs,evaluation.season_length,hyperparameters.metrics\n"
        'north,7,,"[mae, mse]"\nsouth,,12,\n'
    ))))  # fmt: skip
    north = read.of_group("region=north", "north.parquet", read.overrides()["region=north"])
    assert north.hyperparameters.epochs == 7 and north.hyperparameters.metrics == ["mae", "mse"]
    assert north.evaluation.season_length == 24 and north.stored_name == "small/region=north"
    assert (north.models_by, north.data.path, north.data.format) == ([], "north.parquet", "parquet")
    south = read.of_group("region=south", "s.parquet", read.overrides()["region=south"])
    assert south.evaluation.season_length == 12 and south.hyperparameters.epochs == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "shop,hyperparameters.epochs\n1,2\n",
            "has no column 'region', which models_by lists; add it",
        ),
        ("region,hyperparameters.epochs\n", "has no row below its header"),
        ("region,epochs\na,2\n", "column 'epochs' is no setting that a group can have"),
        ("region,hyperparameters.model_name\na,x\n", "column 'hyperparameters.model_name' is no"),
        (
            "region,hyperparameters.epochs\na,2\na,3\n",
            "row 3: region=a is given twice; keep one row",
        ),
        ("region,hyperparameters.epochs\na,2,3\n", "row 2: has not as many cells as the header"),
        (
            "region,hyperparameters.metrics\na,[x\n",
            r"row 2, column 'hyperparameters.metrics': '\[x' is",
        ),
    ],
)
def test_a_table_that_is_wrong_is_refused(settings, tmp_path, text, message):
    read = parse_config(settings(**table(tmp_path, text)))
    with pytest.raises(ConfigError, match=rf"groups\.overrides: .*overrides\.csv.*{message}"):
        read.overrides()


def test_a_wrong_setting_of_a_group_is_named(settings, tmp_path):
    text = "region,hyperparameters.epochs\na,0\nb,3\nc,many\n"
    with pytest.raises(ConfigError) as refused:
        parse_config(settings(**table(tmp_path, text))).check_overrides()
    first, second = refused.value.problems
    assert first.startswith("groups.overrides, region=a: hyperparameters.epochs: ")
    assert second.startswith("groups.overrides, region=c: hyperparameters.epochs: ")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"models_by": ["a", "a"]}, "models_by: lists a column twice"),
        ({"models_by": ["load"]}, "models_by: 'load' is the time or a column of numbers"),
        ({"models_by": ["r"], "group": "r=a"}, "group: models_by divides the rows into all groups"),
        ({"group": "north"}, "group: 'north' names no group; write it like 'region=north'"),
        (
            {"models_by": ["r"], "data": {"embedded_series": ["a"]}},
            "models_by: pooled groups cannot have data.embedded_series; set groups.small",
        ),
    ],
)
def test_settings_that_do_not_fit_groups(settings, changes, message):
    with pytest.raises(ConfigError, match=message):
        parse_config(settings(**changes))
