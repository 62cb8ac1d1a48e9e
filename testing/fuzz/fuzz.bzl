"""A fuzz target as a Bazel test."""

def fuzz_target(name, srcs, deps, mutations, shipped = {}):
    """Runs the corpus and files that are shipped, then mutations of it from a fixed seed; with --config=fuzz, a libFuzzer program.

    Args:
      name: of the target; its corpus is corpus/<name>.
      srcs: define LLVMFuzzerTestOneInput.
      deps: of srcs.
      mutations: as many as take less than 5 seconds.
      shipped: seeds that are no copies: folder of the workspace -> the files in it. run.sh has them, too.
    """
    corpus = native.glob(["corpus/" + name + "/*"])
    folders = [native.package_name() + "/corpus/" + name] if corpus else []
    native.cc_test(
        name = name,
        size = "small",
        srcs = srcs + select({
            ":libfuzzer": [],
            "//conditions:default": ["standalone_main.cc"],
        }),
        # As a test, libFuzzer runs the corpus alone.
        args = folders + shipped.keys() + select({
            ":libfuzzer": ["-runs=0"],
            "//conditions:default": ["--mutations=%d" % mutations],
        }),
        data = corpus + shipped.values(),
        linkopts = select({
            ":libfuzzer": ["-fsanitize=fuzzer"],
            "//conditions:default": [],
        }),
        deps = deps,
    )
