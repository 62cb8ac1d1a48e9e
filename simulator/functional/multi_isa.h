// OPENHPU_MULTI_ISA before a function compiles it for AVX-512, AVX2 and the baseline, and picks one
// at load time. Its loops should be plain; helpers that they call carry OPENHPU_INLINE so that they
// are compiled with the caller's instruction set. Only for translation units built with
// -ffp-contract=off, where all three give the same bits. Sanitisers do not survive the load-time
// choice: they get the baseline.
#ifndef SIMULATOR_FUNCTIONAL_MULTI_ISA_H_
#define SIMULATOR_FUNCTIONAL_MULTI_ISA_H_

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define OPENHPU_MULTI_ISA \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define OPENHPU_MULTI_ISA
#endif

// Before a loop whose output may be exactly one of its inputs: no two iterations touch one element.
// clang finds that out at run time.
#ifdef __clang__
#define OPENHPU_INDEPENDENT
#else
#define OPENHPU_INDEPENDENT _Pragma("GCC ivdep")
#endif

#define OPENHPU_INLINE inline __attribute__((always_inline))

#endif  // SIMULATOR_FUNCTIONAL_MULTI_ISA_H_
