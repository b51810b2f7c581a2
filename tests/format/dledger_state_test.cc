#include "libstore/format/dledger_state.h"

#include <gtest/gtest.h>

#include "libstore/bytes/big_endian.h"
#include "tests/format/stem_testing.h"

namespace rmq::format {
namespace {

TEST(DledgerState, ReadsWhatRocketMqWrote) {
  const Bytes checkpoint = golden("dledger_state/checkpoint");
  const auto point = DledgerCheckpoint::parse(as_text(checkpoint));
  ASSERT_TRUE(point);
  EXPECT_EQ(*point, (DledgerCheckpoint{149, 149}));
  EXPECT_EQ(point->encode(), as_text(checkpoint));
  const Bytes currterm = golden("dledger_state/currterm");
  const auto term = DledgerTerm::parse(as_text(currterm));
  ASSERT_TRUE(term);
  EXPECT_EQ(*term, (DledgerTerm{0, "n0"}));
  EXPECT_EQ(term->encode(), as_text(currterm));
}

TEST(DledgerState, MissingAndForeignKeys) {
  EXPECT_EQ(*DledgerCheckpoint::parse(""), DledgerCheckpoint{});
  EXPECT_EQ(*DledgerCheckpoint::parse("# a comment\nother=x\r\nendIndex=-1"),
            (DledgerCheckpoint{-1, std::nullopt}));
  EXPECT_FALSE(DledgerCheckpoint::parse("endIndex="));
  EXPECT_FALSE(DledgerCheckpoint::parse("committedIndex=12x"));
  EXPECT_FALSE(DledgerCheckpoint::parse("endIndex"));
  EXPECT_FALSE(DledgerTerm::parse("currTerm=99999999999999999999"));
  EXPECT_EQ(*DledgerTerm::parse("voteLeader"), DledgerTerm{});
}

TEST(DledgerState, EveryTruncationAndEveryBitFlipIsReadOrRefused) {
  for (const auto* name : {"dledger_state/checkpoint", "dledger_state/currterm"}) {
    Bytes bytes = golden(name);
    const auto read = [](std::span<const std::byte> text) {
      const auto point = DledgerCheckpoint::parse(as_text(text));
      if (point) {
        EXPECT_EQ(*DledgerCheckpoint::parse(point->encode()), *point);
      }
      const auto term = DledgerTerm::parse(as_text(text));
      if (term) {
        EXPECT_EQ(*DledgerTerm::parse(term->encode()), *term);
      }
    };
    for_each_truncation(bytes, read);
    for_each_bit_flip(bytes, [&](std::size_t) { read(bytes); });
  }
}

}  // namespace
}  // namespace rmq::format
