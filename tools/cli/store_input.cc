#include "tools/cli/store_input.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <thread>

#include "libstore/bytes/big_endian.h"
#include "libstore/io/read_file_system.h"
#include "libstore/scan/store_config.h"
#include "tools/cli/exit_codes.h"
#include "tools/cli/open_files.h"
#include "tools/cli/values.h"

namespace rmq::cli {
namespace {

constexpr std::int64_t kBrokerConfLimit = 1 << 20;
constexpr std::int64_t kLeastMemory = 8 << 20;

Result<When> when_value(const Arguments& arguments, const std::string& flag) {
  const auto text = arguments.value(flag);
  if (!text || *text == "auto") return When::automatic;
  if (*text == "always") return When::always;
  if (*text == "never") return When::never;
  return wrong_use("--" + flag + " '" + *text + "' makes no sense; give auto, always or never");
}

// What a flag names and is not there is wrong use, and another sentence than a store that is not there.
Error about_flag(const std::string& flag, Error error) {
  if (error.code == ErrorCode::not_found) error.code = ErrorCode::wrong_use;
  error.context = flag + ": " + error.context;
  return error;
}

Result<std::string> broker_conf_text(const std::string& path) {
  const io::ReadFileSystem& files = io::posix_read_file_system();
  RMQ_TRY(entry, files.stat(path));
  if (entry.kind != io::EntryKind::file)
    return wrong_use(path + " is no file; give the broker's configuration file");
  RMQ_TRY(bytes, io::read_all(files, path, kBrokerConfLimit));
  return std::string(as_text(bytes));
}

Result<void> check_directory(const std::string& flag, const std::string& directory) {
  const auto entry = io::posix_read_file_system().stat(directory);
  if (!entry) return about_flag(flag, entry.error());
  if (entry->kind != io::EntryKind::directory)
    return wrong_use(flag + " '" + directory + "' is no directory");
  return {};
}

// Places that broker.conf names are those of the broker's machine.
Result<void> check_broker_conf_places(const std::string& conf, const scan::StoreConfig& config,
                                      const Arguments& arguments) {
  const auto check = [&](const char* flag, const std::string& directory) -> Result<void> {
    if (arguments.has(flag) || directory.empty() || check_directory(flag, directory)) return {};
    return wrong_use("--broker-conf: " + conf + " says " + directory +
                     ", which is no directory here; give --" + flag + " DIR besides");
  };
  for (const std::string& directory : config.commit_log_directories) {
    if (auto checked = check("commitlog", directory); !checked) return checked;
  }
  if (auto checked = check("consumequeue", config.consume_queue_directory); !checked) return checked;
  return check("index", config.index_directory);
}

}  // namespace

Result<CommonOptions> common_options(const Arguments& arguments) {
  CommonOptions options;
  const std::string output = arguments.value("output").value_or(arguments.has("json") ? "json" : "text");
  if (output != "text" && output != "json") {
    return wrong_use("--output '" + output + "' makes no sense; give text or json");
  }
  options.format = output == "json" || arguments.has("json") ? forensics::OutputFormat::json
                                                             : forensics::OutputFormat::text;
  options.utc = arguments.has("utc");
  options.jobs = static_cast<std::int32_t>(std::max(1U, std::thread::hardware_concurrency()));
  if (const auto text = arguments.value("jobs")) {
    RMQ_TRY(jobs, parse_count("--jobs", *text, 1, 256));
    options.jobs = static_cast<std::int32_t>(jobs);
  }
  if (const auto text = arguments.value("max-rate")) {
    RMQ_TRY(rate, parse_size("--max-rate", *text));
    options.max_rate = rate;
  }
  if (const auto text = arguments.value("max-duration")) {
    RMQ_TRY(duration, parse_duration("--max-duration", *text));
    options.max_duration_ms = duration;
  }
  if (const auto text = arguments.value("mem")) {
    RMQ_TRY(memory, parse_size("--mem", *text));
    if (memory < kLeastMemory) return wrong_use("--mem '" + *text + "' is too little; give 8M at least");
    options.memory = memory;
  }
  RMQ_TRY(progress, when_value(arguments, "progress"));
  RMQ_TRY(color, when_value(arguments, "color"));
  options.progress = progress;
  options.color = color;
  return options;
}

Result<scan::StoreConfig> store_config(std::string_view program, const Arguments& arguments,
                                       const std::string& store) {
  scan::StoreConfig config;
  config.root = store;
  if (const auto path = arguments.value("broker-conf")) {
    const auto text = broker_conf_text(*path);
    if (!text) return about_flag("--broker-conf", text.error());
    auto applied = scan::apply_broker_conf(std::move(config), *text);
    if (!applied) return about_flag("--broker-conf: " + *path, applied.error());
    config = *std::move(applied);
    // What was typed is the store, whatever storePathRootDir says on the broker's machine.
    config.root = store;
    if (!config.broker_conf_says_something) {
      complain(program, "--broker-conf: " + *path +
                            " has no key that says anything about a store; is it a broker.conf?");
    }
    if (auto places = check_broker_conf_places(*path, config, arguments); !places) return places.error();
  }
  if (const auto list = arguments.value("commitlog")) config.commit_log_directories = split_commas(*list);
  if (const auto path = arguments.value("consumequeue")) config.consume_queue_directory = *path;
  if (const auto path = arguments.value("index")) config.index_directory = *path;
  if (const auto path = arguments.value("config")) config.config_directory = *path;
  for (const char* name : {"commitlog", "consumequeue", "index", "config"}) {
    const auto given = arguments.value(name);
    if (!given) continue;
    const std::string flag = std::string("--") + name;
    const bool list = std::string_view(name) == "commitlog";
    const std::vector<std::string> directories =
        list ? split_commas(*given) : std::vector<std::string>{*given};
    if (directories.empty()) return wrong_use(flag + " '" + *given + "' names no directory");
    for (const std::string& directory : directories) {
      if (auto checked = check_directory(flag, directory); !checked) return checked.error();
    }
  }
  return config;
}

Result<scan::StoreSurvey> survey_from(std::string_view program, const Arguments& arguments,
                                      const std::string& store) {
  RMQ_TRY(config, store_config(program, arguments, store));
  return scan::survey_store(io::posix_read_file_system(), config);
}

ReadingFiles::ReadingFiles(const CommonOptions& options) {
  if (options.max_rate > 0) limited_.emplace(io::posix_read_file_system(), options.max_rate, waiter_);
}

const io::ReadFileSystem& ReadingFiles::get() const {
  if (limited_) return *limited_;
  return io::mapping_read_file_system();
}

forensics::LockState ask_lock_state(const scan::StoreSurvey& survey) {
  forensics::LockState state;
  if (survey.lock) {
    const int descriptor = ::open(survey.lock->path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor >= 0) {
      // RocketMQ locks the first byte for itself (DefaultMessageStore.start); F_GETLK only asks.
      struct flock question{};
      question.l_type = F_WRLCK;
      question.l_whence = SEEK_SET;
      question.l_start = 0;
      question.l_len = 1;
      if (::fcntl(descriptor, F_GETLK, &question) == 0) {
        state.asked = true;
        if (question.l_type != F_UNLCK) state.holder = question.l_pid;
      }
    }
    if (!state.asked) state.refused = os_error(errno, "asking who holds " + survey.lock->path).message();
    if (descriptor >= 0) ::close(descriptor);
  }
  if (!state.holder) {
    if (auto writer = find_writer(survey)) {
      state.writer = writer->process;
      state.writer_program = std::move(writer->program);
      state.writer_file = std::move(writer->file);
    }
  }
  if (survey.abort) {
    const auto text = io::read_all(io::posix_read_file_system(), survey.abort->path, 64);
    if (text) {
      const std::string digits(as_text(*text));
      const auto pid =
          parse_count("abort", digits.substr(0, digits.find_first_not_of("0123456789")), 1, 1 << 30);
      if (pid) state.abort_process_alive = ::kill(static_cast<pid_t>(*pid), 0) == 0 || errno == EPERM;
    }
  }
  return state;
}

std::string live_sentence(const std::string& store, const forensics::LockState& state) {
  constexpr std::string_view kAdvice =
      "stop the broker first, or read beside it: rmq-verify --live, rmq-dump";
  if (!state.holder) {
    return fmt::format("{} is live: process {} ({}) has {} open for writing; {}", store, *state.writer,
                       state.writer_program, state.writer_file, kAdvice);
  }
  const std::string who = *state.holder > 0 ? fmt::format("process {}", *state.holder)
                                            : "a process that cannot be seen from here";
  return fmt::format("{} is live: {} holds its lock; {}", store, who, kAdvice);
}

std::string sentence_of(const Error& error) {
  if (error.code != ErrorCode::permission_denied) return error.message();
  return error.message() + "; run this as a user who may read the store";
}

int exit_code_of(const Error& error) {
  switch (error.code) {
    case ErrorCode::wrong_use:
    case ErrorCode::not_found: return kExitWrongUse;
    case ErrorCode::cancelled: return kExitCancelled;
    case ErrorCode::permission_denied:
    case ErrorCode::io_error: return kExitFault;
  }
  return kExitFault;
}

int exit_code_of(const forensics::VerifySummary& summary) {
  int code = kExitClean;
  if (summary.worst != forensics::Severity::benign) {
    code |= kExitProblems;
  } else if (summary.unclean_stop) {
    code |= kExitUncleanStop;
  }
  // Bytes that were not looked at, whatever the reason, are bytes that could not be read.
  const bool complete = summary.bytes_checked == summary.bytes_expected || summary.cancelled;
  if (summary.read_errors || !complete) code |= kExitFault;
  if (summary.cancelled) code |= kExitCancelled;
  return code;
}

}  // namespace rmq::cli
