"""A fuzz target as a Bazel test."""

def fuzz_target(name, srcs, deps, mutations):
    """Runs the corpus, then mutations of it from a fixed seed; with --config=fuzz, a libFuzzer program.

    Args:
      name: of the target; its corpus is corpus/<name>.
      srcs: define LLVMFuzzerTestOneInput.
      deps: of srcs.
      mutations: as many as take less than 5 seconds.
    """
    native.cc_test(
        name = name,
        size = "small",
        srcs = srcs + select({
            ":libfuzzer": [],
            "//conditions:default": ["standalone_main.cc"],
        }),
        # As a test, libFuzzer runs the corpus alone.
        args = [native.package_name() + "/corpus/" + name] + select({
            ":libfuzzer": ["-runs=0"],
            "//conditions:default": ["--mutations=%d" % mutations],
        }),
        data = native.glob(["corpus/" + name + "/*"]),
        linkopts = select({
            ":libfuzzer": ["-fsanitize=fuzzer"],
            "//conditions:default": [],
        }),
        deps = deps,
    )
