#include "hal/habanalabs/submissions.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace openhpu::hal::habanalabs {
namespace {

using testing::ElementsAre;

TEST(Submissions, NumbersGrowByOne) {
  Submissions submissions(4);
  EXPECT_FALSE(submissions.known(Sequence(1)));
  EXPECT_EQ(submissions.Add(100), Sequence(1));
  EXPECT_EQ(submissions.Add(7), Sequence(2));
  EXPECT_EQ(submissions.kernel(Sequence(1)), 100u);
  EXPECT_EQ(submissions.Find(7), Sequence(2));
  EXPECT_EQ(submissions.Find(8), Sequence(0));
  EXPECT_TRUE(submissions.known(Sequence(2)));
  EXPECT_FALSE(submissions.known(Sequence(0)));
  EXPECT_FALSE(submissions.known(Sequence(3)));
}

TEST(Submissions, TheFirstResultStands) {
  Submissions submissions(4);
  const Sequence a = submissions.Add(1), b = submissions.Add(2);
  submissions.Complete(a);
  submissions.Fail(a, absl::AbortedError("late"));
  submissions.Fail(b, absl::AbortedError("first"));
  submissions.Fail(b, absl::AbortedError("second"));
  submissions.Complete(b);
  EXPECT_TRUE(submissions.result(a)->ok());
  EXPECT_EQ(submissions.result(b)->message(), "first");
}

TEST(Submissions, OpenOnesAreListedInOrder) {
  Submissions submissions(4);
  for (uint64_t kernel = 11; kernel <= 15; ++kernel) submissions.Add(kernel);
  submissions.Complete(Sequence(2));
  EXPECT_THAT(submissions.Open(), ElementsAre(Sequence(1), Sequence(3), Sequence(4), Sequence(5)));
  submissions.Complete(Sequence(1));
  EXPECT_THAT(submissions.Open(), ElementsAre(Sequence(3), Sequence(4), Sequence(5)));
}

TEST(Submissions, WhatManyHaveFollowedIsComplete) {
  Submissions submissions(4);
  const Sequence lost = submissions.Add(1);
  submissions.Fail(lost, absl::AbortedError("lost"));
  const Sequence first = submissions.Add(2);
  for (uint64_t i = 0; i < 7; ++i) {
    EXPECT_FALSE(submissions.result(first).has_value()) << i;
    submissions.Add(3 + i);
  }
  submissions.Add(10);
  EXPECT_TRUE(submissions.result(first)->ok());
  EXPECT_EQ(submissions.Open().size(), 8u);
  // Errors outlive everything.
  for (uint64_t i = 0; i < 100; ++i) submissions.Add(20 + i);
  EXPECT_FALSE(submissions.result(lost)->ok());
  EXPECT_EQ(submissions.Open().size(), 8u);
}

TEST(Submissions, WhatIsKnownOfADoneOneIsKnownForAWhile) {
  Submissions submissions(4);
  const Sequence first = submissions.Add(11, true), second = submissions.Add(12);
  submissions.set_time(first, 99);
  submissions.Complete(first);
  EXPECT_EQ(submissions.number(first), 11u);
  EXPECT_EQ(submissions.time(first), 99);
  EXPECT_TRUE(submissions.survives(first));
  EXPECT_EQ(submissions.time(second), 0);
  EXPECT_FALSE(submissions.survives(second));
  EXPECT_EQ(submissions.number(Sequence(3)), 0u);
  EXPECT_EQ(submissions.number(Sequence(0)), 0u);
  for (uint64_t i = 0; i < 6; ++i) submissions.Add(13 + i);
  EXPECT_EQ(submissions.number(first), 11u);
  submissions.Add(19);
  EXPECT_EQ(submissions.number(first), 0u);
  EXPECT_EQ(submissions.time(first), 0);
  EXPECT_EQ(submissions.number(second), 12u);
  submissions.set_time(first, 5);  // of the past: nobody's
  EXPECT_EQ(submissions.time(submissions.last()), 0);
}

TEST(Submissions, TheOldestSurvivorIsToBeAskedForWhenManyMayHaveFollowed) {
  Submissions submissions(8);
  EXPECT_FALSE(submissions.has_survivors());
  const Sequence done = submissions.Add(1, true), open = submissions.Add(2, true);
  const Sequence later = submissions.Add(3, true);
  submissions.Complete(done);
  for (uint64_t kernel = 4; kernel <= 5; ++kernel) submissions.Add(kernel);
  EXPECT_FALSE(submissions.SurvivorToAskFor().has_value());
  submissions.Add(6);  // four have followed
  ASSERT_TRUE(submissions.SurvivorToAskFor().has_value());
  EXPECT_EQ(submissions.SurvivorToAskFor()->sequence, open);
  EXPECT_EQ(submissions.SurvivorToAskFor()->kernel, 2u);
  EXPECT_FALSE(submissions.SurvivorToAskFor()->is_last_chance);
  submissions.Add(9);
  EXPECT_TRUE(submissions.SurvivorToAskFor()->is_last_chance);
  submissions.Fail(open, absl::AbortedError("lost"));
  EXPECT_EQ(submissions.SurvivorToAskFor()->sequence, later);
  submissions.Complete(later);
  EXPECT_TRUE(submissions.has_survivors());
  EXPECT_FALSE(submissions.SurvivorToAskFor().has_value());
  EXPECT_FALSE(submissions.has_survivors());
}

TEST(Submissions, RefusedOnesMayHaveFollowedASurvivorToo) {
  Submissions submissions(8);
  const Sequence open = submissions.Add(1, true);
  for (int i = 0; i < 4; ++i) EXPECT_FALSE(submissions.SurvivorToAskFor().has_value());
  EXPECT_EQ(submissions.SurvivorToAskFor()->sequence, open);
  // They had no numbers.
  submissions.Add(2);
  EXPECT_FALSE(submissions.SurvivorToAskFor().has_value());
  for (int i = 0; i < 20; ++i) submissions.SurvivorToAskFor();
  EXPECT_FALSE(submissions.SurvivorToAskFor()->is_last_chance);
}

TEST(Submissions, NumbersOfBeforeARestartAreNobodys) {
  Submissions submissions(4);
  const Sequence before = submissions.Add(1);
  submissions.Restart();
  const Sequence after = submissions.Add(1);
  EXPECT_EQ(submissions.number(before), 0u);
  EXPECT_EQ(submissions.number(after), 1u);
  EXPECT_EQ(submissions.last(), after);
}

}  // namespace
}  // namespace openhpu::hal::habanalabs
