// The driver that completes at once: memory, and the shape of submissions.
#include "absl/status/statusor.h"
#include "hal/null/driver.h"
#include "testing/conformance/driver_under_test.h"

namespace openhpu::conformance {
namespace {

constexpr std::string_view kNoBytes = "no byte moves";
constexpr std::string_view kAtOnce = "every submission is complete at once, so no queue fills";
constexpr std::string_view kNoPackets = "no packet is looked at";

constexpr Exemption kNever[] = {
    {"DmaSuite.*", kNoBytes},
    {"MappingSuite.*", kNoBytes},
    {"MmeSuite.*", kNoBytes},
    {"TpcSuite.*", kNoBytes},
    {"ThreadsSuite.EveryMethodIsCalledAtOnce", kNoBytes},
    {"ResetSuite.AResetIsAnEventThatIsTakenOnce", "there are no events"},
    {"ResetSuite.ResetsFollowEachOther", kNoBytes},
    {"ResetSuite.WhatACallerHoldsStaysValid", kNoBytes},
    {"ResetSuite.UnderLoadWhatIsInFlightIsLostForGood", kNoBytes},
    {"ResetSuite.ThreadsThatWorkSeeItAndGoOn", kNoBytes},
    {"ResetSuite.ABlockedQueueIsFreeAfterIt", kAtOnce},
    {"SyncSuite.*", "there are no sync objects"},
    {"FaultSuite.*", "nothing runs, so nothing fails"},
    {"QueueSuite.OneCommandMemoryServesManySubmissions", kNoBytes},
    {"QueueSuite.CommandMemoryMayBeDestroyedWhileItsSubmissionRuns", kNoBytes},
    {"QueueSuite.JobsOfAStreamRunInOrder", kNoBytes},
    {"QueueSuite.AnUpperBufferRunsItsBodiesInOrder", kNoBytes},
    {"QueueSuite.BodiesOfFourStreamsShareAnEngine", kNoBytes},
    {"QueueSuite.StreamsOfAnInternalQueueInterleave", kNoBytes},
    {"QueueSuite.DoneMeansThatAllExternalJobsAreDone", kNoBytes},
    {"QueueSuite.TimestampsGrowWithTheWork", kNoBytes},
    {"QueueSuite.ThreadsShareADevice", kNoBytes},
    {"QueueSuite.PollingIsNotDoneUntilItIs", kAtOnce},
    {"QueueSuite.AWaitEndsAtItsDeadlineAndLosesNothing", kAtOnce},
    {"QueueSuite.WaitForAnyReturnsWithTheFirst", kAtOnce},
    {"QueueSuite.AFullQueueIsRetryable", kAtOnce},
    {"QueueSuite.AFullQueueTakesNothingOfASubmission", kAtOnce},
    {"QueueSuite.TooManyInFlightIsRetryable", kAtOnce},
    {"ErrorSuite.*ExternalBuffer*", kNoPackets},
};

}  // namespace

absl::StatusOr<std::unique_ptr<hal::Driver>> MakeDriverUnderTest() {
  return hal::NullDriver::Open("null:tiny");
}

Exemptions ExemptionsUnderTest() { return {kNever, {}}; }

}  // namespace openhpu::conformance
