"""Walls between rooms, as tests."""

def assert_no_dependency(name, targets, forbidden, **kwargs):
    """A test that fails when any of the targets reaches, over any number of steps, what is forbidden.

    Args:
      name: of the test, a sentence: "hal_does_not_know_the_simulator".
      targets: labels.
      forbidden: a regular expression over labels ("^//simulator[/:]", "^@torch//").
      **kwargs: of the sh_test.
    """
    native.genquery(
        name = name + "_reached",
        testonly = True,
        expression = "filter('%s', deps(set(%s)))" % (forbidden, " ".join(targets)),
        scope = targets,
    )
    native.sh_test(
        name = name,
        size = "small",
        srcs = ["//testing/house:assert_empty.sh"],
        args = ["$(location :%s_reached)" % name],
        data = [":%s_reached" % name],
        **kwargs
    )
