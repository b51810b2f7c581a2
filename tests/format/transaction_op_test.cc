#include "libstore/format/transaction_op.h"

#include <gtest/gtest.h>

namespace rmq::format {
namespace {

struct Read {
  std::vector<std::int64_t> offsets;
  std::size_t refused = 0;
};

Read read(std::string_view body) {
  Read found;
  found.refused = for_each_half_offset(body, [&](std::int64_t offset) { found.offsets.push_back(offset); });
  return found;
}

using Offsets = std::vector<std::int64_t>;

TEST(TransactionOp, HasAsManyOffsetsAsTheBroker5WroteInto) {
  EXPECT_EQ(read("0,3,6,").offsets, (Offsets{0, 3, 6}));
  EXPECT_EQ(read("0,3,6,").refused, 0U);
  EXPECT_EQ(encode_half_offsets({0, 3, 6}), "0,3,6,");
}

TEST(TransactionOp, HasOneOffsetFromABroker4) {
  EXPECT_EQ(read("17").offsets, (Offsets{17}));
  EXPECT_EQ(read("17").refused, 0U);
}

TEST(TransactionOp, PartsThatAreNoOffsetAreCountedAndLeftOut) {
  EXPECT_EQ(read("1,x,,-4,99999999999999999999,7 ,2").offsets, (Offsets{1, 2}));
  EXPECT_EQ(read("1,x,,-4,99999999999999999999,7 ,2").refused, 5U);
  EXPECT_TRUE(read("").offsets.empty());
  EXPECT_EQ(read("").refused, 0U);
}

TEST(TransactionOp, EveryTruncationHasNoMoreThanTheWhole) {
  const std::string body = encode_half_offsets({0, 12, 9223372036854775807});
  for (std::size_t size = 0; size < body.size(); ++size) {
    const std::string part = body.substr(0, size);
    EXPECT_LE(read(part).offsets.size(), 3U);
  }
  EXPECT_EQ(read(body).offsets.size(), 3U);
}

}  // namespace
}  // namespace rmq::format
