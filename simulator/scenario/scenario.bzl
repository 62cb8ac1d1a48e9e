"""A scenario file as a Bazel test."""

def scenario_test(name, scenario, data = [], **kwargs):
    """Passes when every expectation of the scenario holds.

    Args:
      name: of the test.
      scenario: a scenario file.
      data: what it names: recipes, chip files.
      **kwargs: of sh_test.
    """
    native.sh_test(
        name = name,
        srcs = ["//simulator/scenario:run_test.sh"],
        args = ["$(rootpath //simulator/scenario:run)", "$(rootpath " + scenario + ")"],
        data = ["//simulator/scenario:run", scenario] + data,
        **kwargs
    )
