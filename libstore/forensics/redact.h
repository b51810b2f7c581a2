// Takes out of a commit log what its messages say, and leaves what they are to a store: sizes, offsets,
// times, hosts, topics, tags and keys stay; bodies and the values of user properties become 'x'. A checksum
// that was right is right again, one that was wrong stays wrong. Bytes that are no record are blanked as
// well, zeros stay zeros; what decides where a broker stops reading (the first 8 bytes behind a record, the
// fixed fields of a damaged one) is left.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace rmq::forensics {

inline constexpr std::byte kBlanked{'x'};

// One pass over one file, front to back. One thread at a time.
class Redactor {
 public:
  // With `dledger` each record lies in an entry of a DLedger log, and the entries' heads stay.
  explicit Redactor(bool dledger = false) : dledger_(dledger), at_head_(dledger) {}

  // Blanks from the front as much as can be judged without the bytes that follow, and returns how many that
  // are; the caller comes again with the rest and more behind it. With `last` that is all of them. What
  // cannot be judged is never more than kMostHeld bytes.
  static constexpr std::size_t kMostHeld = std::size_t{64} << 20;
  [[nodiscard]] std::size_t blank(std::span<std::byte> bytes, bool last);

  [[nodiscard]] std::int64_t records() const { return records_; }

 private:
  [[nodiscard]] static std::size_t blank_damaged(std::span<std::byte> bytes);
  [[nodiscard]] static bool blank_without_magic(std::span<std::byte> record);

  // How many bytes at the front are the head of a DLedger entry, or the blank that ends a file; nullopt:
  // more must be seen.
  [[nodiscard]] std::optional<std::size_t> dledger_head(std::span<const std::byte> bytes, bool last) const;

  const bool dledger_;
  bool at_head_;               // DLedger: the next entry's head belongs here
  bool behind_record_ = true;  // or at the file's start: a broker reads on here
  std::int64_t records_ = 0;
};

}  // namespace rmq::forensics
