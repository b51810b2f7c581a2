#include "libstore/format/store_lock.h"

#include <gtest/gtest.h>

namespace rmq::format {
namespace {

// DefaultMessageStore.start: tryLock(0, 1, false), then writes "lock".
TEST(StoreLock, TheFirstOfItsFourBytes) {
  EXPECT_EQ(kStoreLockFileName, "lock");
  EXPECT_EQ(kStoreLockText, "lock");
  EXPECT_EQ(kStoreLockStart, 0);
  EXPECT_EQ(kStoreLockLength, 1);
}

}  // namespace
}  // namespace rmq::format
