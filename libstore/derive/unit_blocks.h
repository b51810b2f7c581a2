// Memory for units that are in no file yet: blocks of one size from a pool with a limit, chained by number. A
// queue that has one unit to write holds one block, not a page. Not thread-safe: QueueWriter's mutex guards
// it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace rmq::derive {

using BlockNumber = std::uint32_t;
inline constexpr BlockNumber kNoBlock = UINT32_MAX;

struct UnitBlock {
  BlockNumber next = kNoBlock;
  std::byte bytes[252];  // 12 simple units or 5 batch units
};
static_assert(sizeof(UnitBlock) == 256);

class UnitBlocks {
 public:
  explicit UnitBlocks(std::int64_t limit_bytes)
      : limit_(static_cast<std::size_t>(limit_bytes) / sizeof(UnitBlock)) {}

  // Nothing when the limit is reached. What was taken holds old bytes and leads nowhere.
  [[nodiscard]] std::optional<BlockNumber> take() {
    if (free_ == kNoBlock && !grow()) return std::nullopt;
    const BlockNumber taken = free_;
    free_ = at(taken).next;
    at(taken).next = kNoBlock;
    ++used_;
    return taken;
  }
  void give_back(BlockNumber block) {
    at(block).next = free_;
    free_ = block;
    --used_;
  }
  [[nodiscard]] UnitBlock& at(BlockNumber block) { return chunks_[block / kChunk][block % kChunk]; }
  [[nodiscard]] const UnitBlock& at(BlockNumber block) const {
    return chunks_[block / kChunk][block % kChunk];
  }

  [[nodiscard]] std::size_t used() const { return used_; }
  [[nodiscard]] std::size_t limit() const { return limit_; }

 private:
  static constexpr std::size_t kChunk = (2 << 20) / sizeof(UnitBlock);

  bool grow() {
    const std::size_t have = chunks_.size() * kChunk;
    if (have >= limit_) return false;
    const std::size_t more = limit_ - have < kChunk ? limit_ - have : kChunk;
    chunks_.push_back(std::unique_ptr<UnitBlock[]>(new UnitBlock[kChunk]));
    for (std::size_t i = more; i-- > 0;) {
      chunks_.back()[i].next = free_;
      free_ = static_cast<BlockNumber>(have + i);
    }
    return true;
  }

  std::size_t limit_;
  std::size_t used_ = 0;
  BlockNumber free_ = kNoBlock;
  std::vector<std::unique_ptr<UnitBlock[]>> chunks_;
};

}  // namespace rmq::derive
