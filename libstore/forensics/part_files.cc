#include "libstore/forensics/part_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <map>

#include "libstore/format/mapped_file_name.h"
#include "libstore/scan/commit_log_walker.h"

namespace rmq::forensics {
namespace {

constexpr std::int64_t kPiece = 256 << 10;
constexpr std::int64_t kManyFiles = 1000;

// The size that most files have; the larger one where two are equally frequent.
std::int64_t usual_size(const std::vector<scan::MappedFile>& files) {
  std::map<std::int64_t, int> votes;
  for (std::size_t i = 0; i < files.size(); ++i) {
    ++votes[files[i].size];
    if (i > 0) ++votes[files[i].start - files[i - 1].start];
  }
  std::int64_t winner = 0;
  int best = 0;
  for (const auto& [size, count] : votes) {
    if (size > 0 && count >= best) {
      winner = size;
      best = count;
    }
  }
  return winner;
}

}  // namespace

const scan::MappedFile* PartFiles::file_of(std::int64_t offset) const {
  const auto after = std::ranges::upper_bound(files, offset, {}, &scan::MappedFile::start);
  if (after == files.begin()) return nullptr;
  const scan::MappedFile& file = *std::prev(after);
  return offset - file.start < file.size ? &file : nullptr;
}

PartFiles collect_part_files(const scan::StoreSurvey& survey, std::string_view directory,
                             std::optional<std::int64_t> configured) {
  PartFiles parts;
  parts.directory = directory;
  const std::string prefix = std::string(directory) + '/';
  for (const scan::OtherFile& other : survey.others) {
    if (!other.shown.starts_with(prefix) || other.shown.size() != prefix.size() + other.name.size()) continue;
    const auto start = format::parse_mapped_file_name(other.name);
    if (!start || *start > scan::kLargestFileStart) {
      parts.strays.push_back(other);
      continue;
    }
    scan::MappedFile file;
    static_cast<scan::StoreFile&>(file) = other;
    file.start = *start;
    parts.files.push_back(std::move(file));
  }
  std::ranges::sort(parts.files, {}, &scan::MappedFile::start);
  parts.file_size = configured.value_or(usual_size(parts.files));
  return parts;
}

std::optional<std::int64_t> configured_number(const scan::StoreSurvey& survey, std::string_view key) {
  const auto found = survey.config.keys.find(std::string(key));
  if (found == survey.config.keys.end()) return std::nullopt;
  const std::string& text = found->second;
  std::int64_t number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc{} || end != text.data() + text.size() || number <= 0) return std::nullopt;
  return number;
}

void check_part_files(VerifyContext& context, const PartFiles& parts, std::string_view code,
                      std::string_view what) {
  for (const scan::StoreFile& stray : parts.strays) {
    context.add(
        code, Severity::degraded, stray.shown, 0, stray.size,
        fmt::format(
            "not a file of the {} (the name is no 20-digit offset); a stock broker does not load it while it "
            "lies here",
            what));
  }
  for (std::size_t i = 0; i < parts.files.size(); ++i) {
    const scan::MappedFile& file = parts.files[i];
    if (file.size != parts.file_size) {
      const bool harmless = file.size == 0 && i + 1 == parts.files.size();
      context.add(code, harmless ? Severity::benign : Severity::degraded, file.shown, 0,
                  std::max(file.size, parts.file_size),
                  fmt::format("{} bytes long, files of the {} have {}; a stock broker does not load it",
                              file.size, what, parts.file_size));
    }
    if (i == 0 || parts.file_size <= 0) continue;
    const std::int64_t from = parts.files[i - 1].start + parts.file_size;
    const std::int64_t missing = (file.start - from + parts.file_size - 1) / parts.file_size;
    // A name that is far off is one finding.
    for (std::int64_t k = 0; k<missing; k += missing> kManyFiles ? missing : 1) {
      context.add(
          code, Severity::hidden,
          parts.directory + '/' + format::mapped_file_name(from + k * parts.file_size), 0, parts.file_size,
          missing > kManyFiles
              ? fmt::format("missing from the {}, as all {} files up to {}, or that one has a wrong name",
                            what, missing, file.shown)
              : fmt::format("missing from the {}, between its neighbours", what));
    }
  }
}

void count_file(VerifyContext& context, const scan::StoreFile& file, std::int64_t read) {
  context.summary.bytes_expected += file.size;
  context.summary.bytes_checked += std::min(read, file.size);
  if (read < file.size && !context.cancelled()) context.summary.read_errors = true;
}

bool PartReader::read(std::int64_t offset, std::span<std::byte> out) {
  const scan::MappedFile* const mapped = parts_.file_of(offset);
  if (mapped == nullptr || std::ssize(out) > mapped->size - (offset - mapped->start)) return false;
  if (mapped != mapped_) {
    auto opened = files_.open(mapped->path);
    file_ = opened ? *std::move(opened) : nullptr;
    mapped_ = mapped;
  }
  if (!file_) return false;
  const auto got = file_->read_at(offset - mapped->start, out);
  return got && *got == out.size();
}

bool is_zero(std::span<const std::byte> bytes) {
  return bytes.empty() ||
         (bytes[0] == std::byte{0} && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

std::int64_t for_each_piece(const io::ReadFile& file, std::int64_t unit,
                            const std::function<bool(std::int64_t, std::span<const std::byte>)>& visit) {
  const std::int64_t piece = std::max(kPiece / unit, std::int64_t{1}) * unit;
  std::vector<std::byte> buffer(static_cast<std::size_t>(std::min(piece, file.size())));
  std::int64_t read = 0;
  for (std::int64_t at = 0; at < file.size();) {
    const std::int64_t data = std::max(file.next_data(at), at) / unit * unit;
    if (data > at) {
      read += std::min(data, file.size()) - at;
      at = data;
      continue;
    }
    const auto wanted = static_cast<std::size_t>(std::min(piece, file.size() - at));
    const auto got = file.read_at(at, std::span(buffer).first(wanted));
    const std::size_t have = got ? *got : 0;
    read += static_cast<std::int64_t>(have);
    if (!is_zero(std::span<const std::byte>(buffer).first(have)) &&
        !visit(at, std::span<const std::byte>(buffer).first(have)))
      return read;
    at += static_cast<std::int64_t>(wanted);
  }
  return read;
}

}  // namespace rmq::forensics
