// Java's view of a commit log file's bytes, and its check of one message in them.
// RocketMQ: java.nio.ByteBuffer, CommitLog.checkMessageAndReturnSize, DispatchRequest.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "libstore/bytes/big_endian.h"
#include "libstore/format/message_properties.h"
#include "libstore/format/tags_code.h"
#include "libstore/preflight/file_pool.h"
#include "libstore/preflight/recovery_rules.h"
#include "libstore/scan/store_config.h"

namespace rmq::preflight {

// A ByteBuffer over [from, limit) of a file. Where Java would throw, ok() turns false for good and reads give
// zero.
class JavaBuffer {
 public:
  // `window` is borrowed, so that one after the other can use it.
  JavaBuffer(BlockWindow& window, const std::string& path, std::int64_t from, std::int64_t limit)
      : window_(window), path_(path), from_(from), limit_(limit), at_(from) {}

  [[nodiscard]] bool ok() const { return ok_; }
  void fail() { ok_ = false; }
  [[nodiscard]] std::int64_t remaining() const { return limit_ - at_; }
  [[nodiscard]] std::int64_t position() const { return at_ - from_; }

  std::int8_t i8() { return take<std::int8_t>(); }
  std::int16_t i16() { return take<std::int16_t>(); }
  std::int32_t i32() { return take<std::int32_t>(); }
  std::int64_t i64() { return take<std::int64_t>(); }

  // get(byte[] of `capacity`, 0, count) for parts that are kept: at most 32767 bytes. Lives until the next
  // call.
  std::span<const std::byte> get(std::int64_t count, std::int64_t capacity);
  // The same for a body, of which only the CRC is wanted.
  std::uint32_t get_crc(std::int64_t count, std::int64_t capacity);
  // CRC of [from, to) relative to the buffer's start; the position stays. Fails where a duplicate of the
  // buffer could not be set to that range.
  std::uint32_t crc_of(std::int64_t from, std::int64_t to);
  // position(position() + count)
  void skip(std::int64_t count);

 private:
  template <class T>
  T take() {
    if (!ok_ || remaining() < static_cast<std::int64_t>(sizeof(T))) {
      ok_ = false;
      return 0;
    }
    const T value = load_be<T>(at(sizeof(T)));
    at_ += static_cast<std::int64_t>(sizeof(T));
    return value;
  }
  // The bytes at the position. Most are in the piece of the window that the last call left.
  const std::byte* at(std::size_t count) {
    if (at_ < piece_from_ ||
        at_ + static_cast<std::int64_t>(count) > piece_from_ + static_cast<std::int64_t>(piece_.size())) {
      piece_ = window_.view(path_, at_, count, limit_);
      piece_from_ = at_;
    }
    return piece_.data() + (at_ - piece_from_);
  }
  std::uint32_t crc_between(std::int64_t begin, std::int64_t end);

  BlockWindow& window_;
  const std::string& path_;
  std::int64_t from_;
  std::int64_t limit_;
  std::int64_t at_;
  bool ok_ = true;
  std::span<const std::byte> piece_;
  std::int64_t piece_from_ = 0;
};

enum class CheckOutcome {
  message,        // success, size > 0
  end_of_file,    // success, size 0: a BLANK
  half_message,   // failure with a size: the parts do not add up to it
  no_message,     // failure, size -1
  out_of_memory,  // an Error that nobody catches: the broker process ends
};

struct CheckedMessage {
  CheckOutcome outcome = CheckOutcome::no_message;
  std::int32_t size = -1;
  std::string topic;  // as a Java string would write it again
  std::int32_t queue_id = 0;
  std::int64_t queue_offset = 0;
  std::int64_t physical_offset = 0;  // the field: dispatch believes it, whatever the position
  std::int32_t sys_flag = 0;
  std::int64_t base_offset = -1;  // msgBaseOffset
  std::int16_t batch_size = 1;
  std::string multi_dispatch;  // empty: absent
  std::string multi_queue_offset;

  [[nodiscard]] bool is_success() const {
    return outcome == CheckOutcome::message || outcome == CheckOutcome::end_of_file;
  }
};

class MessageChecker {
 public:
  MessageChecker(const RecoveryRules& rules, const scan::StoreConfig& config);

  // As in recovery: body read, CRC checked if configured. The buffer's position is behind what was read.
  [[nodiscard]] CheckedMessage check_in_recovery(JavaBuffer& buffer) const { return check(buffer, true); }
  // As in reput: body skipped, nothing checked that costs.
  [[nodiscard]] CheckedMessage check_in_reput(JavaBuffer& buffer) const { return check(buffer, false); }

 private:
  [[nodiscard]] CheckedMessage check(JavaBuffer& buffer, bool recovering) const;
  struct PropertyFacts {
    std::optional<std::int32_t> crc;  // what __CRC32# says
    bool inner_batch_parses = true;
  };
  // False where Java gives up on the message because of a property.
  [[nodiscard]] bool read_properties(std::string_view text, bool recovering, CheckedMessage& message,
                                     PropertyFacts& found) const;

  const RecoveryRules& rules_;
  bool check_crc_ = true;
  bool force_verify_prop_crc_ = false;
  bool check_dup_info_ = false;
  format::DelayLevels levels_;
};

}  // namespace rmq::preflight
