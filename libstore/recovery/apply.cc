#include "libstore/recovery/apply.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "libstore/recovery/plan_text.h"

namespace rmq::recovery {
namespace {

constexpr std::int64_t kPiece = 1 << 20;

std::string flat_name(std::string shown) {
  std::ranges::replace(shown, '/', '_');
  return shown;
}

class Carrier {
 public:
  Carrier(io::FileSystem& files, std::string copies) : files_(files), copies_(std::move(copies)) {}

  Status carry_out(const Step& step) {
    switch (step.kind) {
      case Step::Kind::rename: return files_.rename(step.path, step.target);
      case Step::Kind::set_aside:
        return files_.rename(step.path, io::join_path(copies_, flat_name(step.shown)));
      case Step::Kind::make: return make(step);
      case Step::Kind::replace: return replace(step);
      case Step::Kind::write:
      case Step::Kind::copy:
      case Step::Kind::bridge:
      case Step::Kind::zero: return change(step);
    }
    return {};
  }

 private:
  Status make(const Step& step) {
    RMQ_TRY(made, files_.create(step.path, step.to, {}));
    if (step.source.empty()) return {};
    RMQ_CHECK(copy(*made, step));
    RMQ_CHECK(made->sync());
    RMQ_TRY(was, files_.stat(step.source));
    return files_.set_modified(step.path, was.modified_ms);
  }

  // [from, to) of the source, as far as it goes.
  Status copy(io::WriteFile& file, const Step& step) {
    RMQ_TRY(source, files_.open(step.source));
    std::vector<std::byte> bytes;
    for (std::int64_t at = step.from; at < step.to; at += kPiece) {
      bytes.resize(static_cast<std::size_t>(std::min(kPiece, step.to - at)));
      RMQ_TRY(got, source->read_at(step.source_from + (at - step.from), bytes));
      bytes.resize(got);
      if (got == 0) break;
      RMQ_CHECK(file.write_at(at, bytes));
    }
    return {};
  }

  Status replace(const Step& step) {
    if (const auto old = files_.stat(step.path)) {
      RMQ_CHECK(still_as_planned(step, 0, old->size));
      RMQ_TRY(file, files_.open(step.path));
      RMQ_CHECK(keep(step, *file, 0, old->size));
    }
    return files_.replace(step.path, step.bytes);
  }

  Status still_as_planned(const Step& step, std::int64_t from, std::int64_t to) {
    if (!step.crc_before) return {};
    RMQ_TRY(crc, crc_of_range(files_, step.path, from, to));
    if (crc == *step.crc_before) return {};
    return wrong_use(fmt::format("{} has changed since the plan was made", step.shown));
  }

  // The bytes that change are copied first, so that the file's own are never the only ones.
  Status change(const Step& step) {
    RMQ_TRY(was, files_.stat(step.path));
    RMQ_TRY(file, files_.open_for_write(step.path));
    RMQ_CHECK(still_as_planned(step, step.from, step.to));
    RMQ_CHECK(keep(step, *file, step.from, step.to));
    if (step.kind == Step::Kind::write) RMQ_CHECK(file->write_at(step.from, step.bytes));
    if (step.kind == Step::Kind::copy) RMQ_CHECK(copy(*file, step));
    if (step.kind == Step::Kind::zero) RMQ_CHECK(zero(*file, step.from, step.to));
    if (step.kind == Step::Kind::bridge) RMQ_CHECK(bridge(*file, step));
    RMQ_CHECK(file->sync());
    // Stock deletes files by their time, and searches messages by it: only a new file has none yet.
    const bool new_file = step.kind == Step::Kind::bridge && step.from == 0;
    return files_.set_modified(step.path, new_file ? step.modified_ms : was.modified_ms);
  }

  Status keep(const Step& step, const io::ReadFile& file, std::int64_t from, std::int64_t to) {
    std::vector<std::byte> bytes;
    for (std::int64_t at = from; at < to; at += kPiece) {
      bytes.resize(static_cast<std::size_t>(std::min(kPiece, to - at)));
      RMQ_TRY(got, file.read_at(at, bytes));
      bytes.resize(got);
      const bool zeros = std::ranges::all_of(bytes, [](std::byte byte) { return byte == std::byte{0}; });
      if (zeros) continue;
      RMQ_CHECK(
          files_.replace(io::join_path(copies_, fmt::format("{}@{}", flat_name(step.shown), at)), bytes));
    }
    return {};
  }

  static Status zero(io::WriteFile& file, std::int64_t from, std::int64_t to) {
    const std::vector<std::byte> zeros(static_cast<std::size_t>(std::min(kPiece, to - from)));
    for (std::int64_t at = from; at < to; at += kPiece) {
      RMQ_CHECK(
          file.write_at(at, std::span(zeros).first(static_cast<std::size_t>(std::min(kPiece, to - at)))));
    }
    return {};
  }

  // From the last to the first: until all are there the range begins with what it began with, so that a kill
  // leaves a range that is planned again.
  static Status bridge(io::WriteFile& file, const Step& step) {
    if (step.records.empty()) return {};
    const std::int64_t file_start = step.records.front().log_offset - step.from;
    for (std::size_t i = step.records.size(); i-- > 0;) {
      const BridgeRecord& record = step.records[i];
      const auto bytes = encode_bridge(record, step.modified_ms);
      RMQ_CHECK(file.write_at(record.log_offset - file_start, bytes));
      const std::int64_t left = record.size - std::ssize(bytes);  // behind the eight bytes of a BLANK
      if (left > 0) RMQ_CHECK(zero(file, record.log_offset - file_start + std::ssize(bytes), step.to));
    }
    return {};
  }

  io::FileSystem& files_;
  std::string copies_;
};

}  // namespace

Status apply(io::FileSystem& files, const std::string& root, const Plan& plan, std::int64_t stamp) {
  if (plan.changes_nothing()) return {};
  const std::string lost_and_found = io::join_path(root, kLostAndFound);
  while (files.stat(io::join_path(lost_and_found, std::to_string(stamp)))) ++stamp;
  const std::string copies = io::join_path(lost_and_found, std::to_string(stamp));
  RMQ_CHECK(files.make_directories(copies));
  const std::string told = steps_as_json(plan);
  RMQ_CHECK(files.replace(io::join_path(copies, "plan.json"), std::as_bytes(std::span(told))));
  Carrier carrier(files, copies);
  for (const Step& step : plan.steps) RMQ_CHECK(carrier.carry_out(step));
  return {};
}

}  // namespace rmq::recovery
