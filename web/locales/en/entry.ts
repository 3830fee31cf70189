// Set-up, sign-in and invitation: what people meet before they are in.
// Comes with the forms' checks (lib/t.ts: addSentences).
export const entry = {
  'entry.name': 'Your name',
  'entry.email': 'E-mail address',
  'entry.password': 'Password',
  'entry.newPassword': 'Choose a password',
  'entry.passwordHint': 'At least {min} characters. A sentence is easier to remember than a riddle.',
  'entry.showPassword': 'Show the password',
  'entry.hidePassword': 'Hide the password',
  'entry.needName': 'Enter your name.',
  'entry.needEmail': 'Enter an e-mail address, such as name@example.org.',
  'entry.needPassword': 'Enter your password.',
  'entry.passwordTooShort': 'Use at least {min} characters.',
  'entry.passwordTooLong': 'Use at most {max} characters.',

  'signIn.title': 'Sign in',
  'signIn.submit': 'Sign in',
  'signIn.notSetUp': 'This Terrace has no owner yet',
  'signIn.notSetUpHint':
    'Open the set-up link that was printed where Terrace was started (npm start prints it again). It lets you create the first account.',
  'signIn.noAccount': 'No account? Ask an owner for an invitation link.',

  'setup.title': 'Set up Terrace',
  'setup.hint': 'Create the owner’s account. The owner invites other people.',
  'setup.resetTitle': 'Set a new password',
  'setup.resetHint': 'This link sets the password of an owner’s account, once.',
  'setup.submit': 'Create the account',
  'setup.resetSubmit': 'Set the password',
  'setup.noToken': 'The set-up link is incomplete',
  'setup.noTokenHint':
    'Open the whole link that was printed where Terrace was started. Its end looks like ?token=…',
  'setup.done': 'Terrace is already set up',
  'setup.toSignIn': 'To the sign-in page',

  'invitation.title': 'Join Terrace',
  'invitation.hint': '{inviter} has invited you, {email}, to ask the team’s documents.',
  'invitation.submit': 'Join',
  'invitation.invalid': 'This invitation does not work any more',
  'invitation.loading': 'Looking up the invitation',
} as const
