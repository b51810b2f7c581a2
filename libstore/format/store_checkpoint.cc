#include "libstore/format/store_checkpoint.h"

#include <algorithm>

#include "libstore/bytes/big_endian.h"

namespace rmq::format {

StoreCheckpoint StoreCheckpoint::read(std::span<const std::byte> bytes) {
  std::array<std::byte, 40> fields{};
  std::ranges::copy(bytes.first(std::min(bytes.size(), fields.size())), fields.begin());
  const auto at = [&](std::size_t offset) { return load_be<std::int64_t>(fields.data() + offset); };
  return {at(0), at(8), at(16), at(24), at(32)};
}

std::array<std::byte, kCheckpointFileSize> StoreCheckpoint::encode() const {
  std::array<std::byte, kCheckpointFileSize> out{};
  store_be(out.data(), physic_msg_timestamp);
  store_be(out.data() + 8, logics_msg_timestamp);
  store_be(out.data() + 16, index_msg_timestamp);
  store_be(out.data() + 24, master_flushed_offset);
  store_be(out.data() + 32, confirm_phy_offset);
  return out;
}

std::int64_t StoreCheckpoint::min_timestamp() const {
  constexpr std::int64_t kSafetyMs = 3000;
  const auto older = static_cast<std::uint64_t>(std::min(physic_msg_timestamp, logics_msg_timestamp));
  return std::max<std::int64_t>(0, static_cast<std::int64_t>(older - kSafetyMs));
}

std::int64_t StoreCheckpoint::min_timestamp_index() const {
  return std::min(min_timestamp(), index_msg_timestamp);
}

}  // namespace rmq::format
