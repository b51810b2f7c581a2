#include "libstore/carve/record_reader.h"

#include <algorithm>
#include <cstring>

#include "libstore/bytes/big_endian.h"

namespace rmq::carve {
namespace {

constexpr std::int64_t kBlock = 256 << 10;

}  // namespace

// The buffer holds the run from at_ to `end`, both from its beginning.
Status RecordReader::reach(std::int64_t end) {
  if (end <= buffer_from_ + static_cast<std::int64_t>(buffer_size_)) return {};
  const auto gone = static_cast<std::size_t>(at_ - buffer_from_);
  buffer_size_ -= gone;
  if (buffer_size_ > 0) std::memmove(buffer_.data(), buffer_.data() + gone, buffer_size_);
  buffer_from_ = at_;
  const std::int64_t wanted = std::min(std::max(end - at_, kBlock), run_.length - at_);
  if (std::ssize(buffer_) < wanted) buffer_.resize(static_cast<std::size_t>(wanted));
  const auto out = std::span(buffer_).first(static_cast<std::size_t>(wanted)).subspan(buffer_size_);
  RMQ_TRY(got, file_->read_at(run_.position + at_ + static_cast<std::int64_t>(buffer_size_), out));
  if (got < out.size()) return wrong_use(sources_[run_.source].path + " has become shorter");
  buffer_size_ += got;
  return {};
}

Result<bool> RecordReader::next() {
  if (!file_) {
    RMQ_TRY(opened, files_.open(sources_[run_.source].path));
    file_ = std::move(opened);
  }
  at_ += std::ssize(bytes_);
  bytes_ = {};
  if (at_ >= run_.length) return false;
  RMQ_CHECK(reach(std::min(at_ + format::kMinRecordSize, run_.length)));
  const auto head = [&] { return std::span(buffer_).subspan(static_cast<std::size_t>(at_ - buffer_from_)); };
  const auto size = std::int64_t{load_be<std::int32_t>(head().data())};
  if (size < format::kMinRecordSize || size > run_.length - at_)
    return wrong_use(sources_[run_.source].path + " has changed");
  RMQ_CHECK(reach(at_ + size));
  const auto record = head().first(static_cast<std::size_t>(size));
  if (format::MessageView::decode(record, message_) || message_.physical_offset != log_offset())
    return wrong_use(sources_[run_.source].path + " has changed");
  bytes_ = record;
  return true;
}

}  // namespace rmq::carve
