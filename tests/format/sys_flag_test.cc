#include "libstore/format/sys_flag.h"

#include <gtest/gtest.h>

namespace rmq::format {
namespace {

TEST(SysFlag, WhereMessagesGo) {
  EXPECT_TRUE(enters_consume_queue(0));
  EXPECT_FALSE(enters_consume_queue(kSysFlagTransactionPrepared));
  EXPECT_TRUE(enters_consume_queue(kSysFlagTransactionCommit));
  EXPECT_FALSE(enters_consume_queue(kSysFlagTransactionRollback));
  EXPECT_TRUE(enters_index(0));
  EXPECT_TRUE(enters_index(kSysFlagTransactionPrepared));
  EXPECT_TRUE(enters_index(kSysFlagTransactionCommit));
  EXPECT_FALSE(enters_index(kSysFlagTransactionRollback));
}

TEST(SysFlag, OtherBitsChangeNothing) {
  for (std::int32_t type : {0, 4, 8, 12}) {
    for (int bit = 0; bit < 32; ++bit) {
      if (bit == 2 || bit == 3) continue;
      const auto flag = static_cast<std::int32_t>(static_cast<std::uint32_t>(type) | 1U << bit);
      EXPECT_EQ(transaction_type(flag), type);
      EXPECT_EQ(enters_consume_queue(flag), enters_consume_queue(type));
      EXPECT_EQ(enters_index(flag), enters_index(type));
    }
  }
}

// MessageSysFlag's own numbers.
TEST(SysFlag, Values) {
  EXPECT_EQ(kSysFlagCompressed | kSysFlagMultiTags | kSysFlagTransactionMask | kSysFlagBornHostV6 |
                kSysFlagStoreHostV6 | kSysFlagNeedUnwrap | kSysFlagInnerBatch | kSysFlagCompressionTypeMask,
            0x7FF);
  EXPECT_EQ(kSysFlagCompressionLz4, 1 << 8);
  EXPECT_EQ(kSysFlagCompressionZstd, 2 << 8);
  EXPECT_EQ(kSysFlagCompressionZlib, 3 << 8);
}

}  // namespace
}  // namespace rmq::format
