#include "libstore/format/epoch_checkpoint.h"

#include <gtest/gtest.h>

#include "libstore/bytes/big_endian.h"
#include "tests/format/stem_testing.h"

namespace rmq::format {
namespace {

TEST(EpochCheckpoint, ReadsWhatRocketMqWrote) {
  const Bytes bytes = golden("epoch_checkpoint/5.3.3");
  const auto checkpoint = EpochCheckpoint::parse(as_text(bytes));
  ASSERT_TRUE(checkpoint);
  EXPECT_EQ(checkpoint->entries, (std::vector<EpochEntry>{{2, 0}, {5, 37173}, {8, 72714}, {9, 109452}}));
  EXPECT_TRUE(checkpoint->ascends());
  EXPECT_EQ(checkpoint->encode(), as_text(bytes));
}

TEST(EpochCheckpoint, EveryTruncationIsRefused) {
  const Bytes bytes = golden("epoch_checkpoint/5.3.3");
  for_each_truncation(bytes, [&](std::span<const std::byte> part) {
    // Without its last line end it still has all that RocketMQ reads.
    EXPECT_EQ(EpochCheckpoint::parse(as_text(part)).has_value(), part.size() + 1 == bytes.size())
        << part.size();
  });
}

TEST(EpochCheckpoint, EveryBitFlipIsRefusedOrSaysTheSame) {
  Bytes bytes = golden("epoch_checkpoint/5.3.3");
  const auto whole = EpochCheckpoint::parse(as_text(bytes));
  int same = 0;
  for_each_bit_flip(bytes, [&](std::size_t bit) {
    const auto flipped = EpochCheckpoint::parse(as_text(bytes));
    if (!flipped) return;
    EXPECT_EQ(*flipped, *whole) << bit;
    ++same;
  });
  EXPECT_EQ(same, 0);
}

TEST(EpochCheckpoint, Faults) {
  const auto fault = [](std::string_view text) { return EpochCheckpoint::parse(text).error().fault; };
  EXPECT_EQ(fault(""), DecodeFault::truncated);
  EXPECT_EQ(fault("1\n"), DecodeFault::truncated);
  EXPECT_EQ(fault("x\n0\n1-0\n"), DecodeFault::bad_field);
  EXPECT_EQ(fault("1\n \n1-0\n"), DecodeFault::bad_field);
  EXPECT_EQ(fault("1\n0\n1-x\n"), DecodeFault::bad_field);
  EXPECT_EQ(fault("1\n0\n99999999999-0\n"), DecodeFault::bad_field);
  EXPECT_EQ(fault("2\n0\n1-0\n"), DecodeFault::bad_length);
  EXPECT_EQ(fault("1\n0\n-1-0\n"), DecodeFault::bad_length);
  EXPECT_EQ(fault("1\n5\n1-0\n"), DecodeFault::bad_crc);
}

TEST(EpochCheckpoint, WhatRocketMqTakesToo) {
  const std::vector<EpochEntry> wanted{{1, 0}, {3, 77}};
  EXPECT_EQ(EpochCheckpoint::parse("2\n0\n1-0\n3-77\n")->entries, wanted);
  EXPECT_EQ(EpochCheckpoint::parse("2\n0\n1-0\nno entry\n+3-77")->entries, wanted);
  EXPECT_EQ(EpochCheckpoint::parse("2\r\n0\r\n1-0\r\n3-77\r\n")->entries, wanted);
  EXPECT_EQ(EpochCheckpoint::parse("0\n0\n")->entries.size(), 0U);
  EXPECT_FALSE((EpochCheckpoint{{{3, 0}, {1, 77}}}).ascends());
  EXPECT_FALSE((EpochCheckpoint{{{1, 77}, {3, 77}}}).ascends());
}

}  // namespace
}  // namespace rmq::format
