import Foundation

extension Error {
    /// Why something failed, in plain words: the system's text for the `errno` behind an error of Foundation, else the error's own
    /// text. Foundation's `localizedDescription` is often nothing but a domain and a number.
    package var plainReason: String {
        if let code = systemErrorCode { return String(cString: strerror(code)) }
        // An error of Swift describes itself.
        guard self is any CustomNSError || type(of: self) is NSError.Type else { return "\(self)" }
        let error = self as NSError
        if let text = error.userInfo[NSLocalizedDescriptionKey] as? String, !text.isEmpty, !text.contains(error.domain) {
            return text
        }
        let known = error.domain == NSCocoaErrorDomain ? CocoaError.Code(rawValue: error.code).plainReason : nil
        return known ?? "the system gives no reason (error \(error.code))"
    }

    /// The `errno` that an error of Foundation stands for or was caused by; nil when there is none.
    package var systemErrorCode: Int32? {
        var error = self as NSError
        while error.domain != NSPOSIXErrorDomain {
            guard let cause = error.userInfo[NSUnderlyingErrorKey] as? any Error else { return nil }
            error = cause as NSError
        }
        return Int32(exactly: error.code)
    }
}

extension CocoaError.Code {
    /// What the codes of file operations mean; nil for all others.
    fileprivate var plainReason: String? {
        switch self {
        case .fileNoSuchFile, .fileReadNoSuchFile: "no such file or folder"
        case .fileReadNoPermission, .fileWriteNoPermission: "permission denied"
        case .fileWriteFileExists: "a file of this name exists"
        case .fileReadInvalidFileName, .fileWriteInvalidFileName: "the file name is not valid"
        case .fileWriteOutOfSpace: "no space left on the volume"
        case .fileWriteVolumeReadOnly: "the volume is read-only"
        case .fileReadTooLarge: "the file is too large"
        case .fileReadCorruptFile: "the file is damaged"
        case .fileLocking: "the file is locked"
        case .fileReadUnsupportedScheme, .fileWriteUnsupportedScheme: "the address is not that of a file"
        default: nil
        }
    }
}
